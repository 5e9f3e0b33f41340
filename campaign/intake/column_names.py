"""What columns are called that hold phone numbers, or say who is not to be called, in the languages of tables.

Promises nothing of a name that is not here: what only may be meant is asked about, or read with more care.
"""

import re
import unicodedata
from functools import lru_cache

from campaign.intake.texts import clean

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")


def _plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(character for character in apart if unicodedata.category(character) != "Mn")


_PHONES = frozenset(
    {"phone", "telephone", "mobile", "cell", "cellphone", "cellular", "tel", "tele", "telf", "tlf", "telnr", "msisdn"}
    | {"gsm", "landline", "fax", "whatsapp", "handy", "rufnummer", "festnetz", "mobil", "mobilfunk", "portable"}
    | {"movil", "movel", "celular", "cellulare", "cel", "fijo", "fixe", "cep"}
)
_BEGINNINGS = ("phone", "telef", "teleph", "handy", "mobil", "rufnr", "gsm", "whatsapp")
_ENDINGS = ("phone", "telefon", "telefono", "telefone", "rufnummer", "handynummer", "mobile")
_IN_OTHER_SCRIPTS = (
    *("جوال", "هاتف", "موبايل", "محمول", "تليفون", "تلفون", "تلفن", "موبایل", "телефон", "мобильн", "τηλεφων"),
    *("κινητο", "手机", "电话", "電話", "携帯", "전화", "טלפון", "נייד"),
)
_PARTS = tuple(map(_plain, _IN_OTHER_SCRIPTS))
_WHICH = frozenset(
    {"home", "work", "office", "business", "private", "primary", "secondary", "main", "second", "other", "alt"}
    | {"alternate", "number", "no", "nr", "e"}
)
_ABOUT_A_PHONE = frozenset(
    {"at", "on", "date", "time", "ts", "verified", "updated", "created", "type", "id", "count", "status", "carrier"}
    | {"ext", "extension", "hash", "cost", "calls", "minutes", "model", "imei"}
)

_DO_NOT_CALL = frozenset(
    {"donotcall", "donotcontact", "donotphone", "dontcall", "dnc", "nocall", "nocalls", "optout", "optedout"}
    | {"isdonotcall", "isdnc", "donotcallflag", "dncflag", "hasoptedout"}
)
"""Columns that say who is not to be called, in letters alone: `Do Not Call`, `do-not-call` and `DoNotCall` are one."""
_MAY_SAY_DO_NOT_CALL = (
    *("donotcall", "donotcontact", "donotphone", "donotdisturb", "donotsolicit", "donotring", "dontcall"),
    *("dontcontact", "nevercall", "nevercontact", "nocall", "nocontact", "nophonecall", "nomorecall", "stopcall"),
    *("stopcontact", "nichtanrufen", "keineanrufe", "werbesperre", "kontaktsperre", "nepasappeler"),
    *("nepascontacter", "nollamar", "nocontactar", "nonchiamare", "naoligar", "nietbellen"),
    *("لاتتصل", "عدمالاتصال", "ممنوعالاتصال"),
)
_MAY_SAY_NO_TO_ONE_CHANNEL = ("optout", "optedout", "optingout", "unsubscrib", "blacklist", "blocklist", "suppress")
_OTHER_CHANNELS = ("mail", "sms", "texting", "fax", "newsletter", "cookie", "push")
_PUBLIC_LISTS = frozenset({"dnc", "dncr", "dnd", "tps", "ctps", "robinson", "bloctel"})
"""What public registers, and phones' own settings, are called."""
_MAY_SAY_YES_TO_CALLS = (
    *("callallowed", "callsallowed", "allowcall", "maycall", "maywecall", "cancall", "oktocall", "callconsent"),
    *("callsconsent", "consenttocall", "phoneconsent", "consentphone", "calloptin", "phoneoptin", "callpermission"),
    *("permissiontocall", "phonepermission", "tcpaconsent", "voiceconsent", "agreedtocall", "callable"),
)


@lru_cache(maxsize=1024)
def is_phone_column(name: str) -> bool:
    """Whether there is nothing but phone numbers in a column of this name: `mobile`, `Home Phone 2`, `phones`."""
    words = _words_of(name)
    return any(map(_is_phone, words)) and all(_is_phone(word) or word in _WHICH for word in words)


@lru_cache(maxsize=1024)
def may_be_phone_column(name: str) -> bool:
    """Whether there may be phone numbers in it: `PersonMobilePhone`, `TELF2`, `رقم الجوال`; not `phone_verified_at`."""
    words = _words_of(name)
    return any(map(_is_phone, words)) and _ABOUT_A_PHONE.isdisjoint(words)


def _words_of(name: str) -> list[str]:
    words = (word.casefold() for word in _WORD.findall(_plain(clean(name))))
    return [
        word[:-1] if len(word) > 3 and word.endswith("s") and word[:-1] in _PHONES | _WHICH else word for word in words
    ]


def _is_phone(word: str) -> bool:
    return (
        word in _PHONES
        or word.startswith(_BEGINNINGS)
        or word.endswith(_ENDINGS)
        or any(part in word for part in _PARTS)
    )


def says_do_not_call(name: str) -> bool:
    """Whether a column says who is not to be called, whatever its case, blanks and dashes."""
    return _letters_of(name) in _DO_NOT_CALL


def may_say_do_not_call(name: str) -> bool:
    """Whether a column that nobody named may say who is not to be called, such as `dnc_list` or `OptOut__c`."""
    if not _PUBLIC_LISTS.isdisjoint(re.split(r"[^a-z0-9]+", clean(name).casefold())):
        return True
    letters = _letters_of(name)
    if any(phrase in letters for phrase in _MAY_SAY_DO_NOT_CALL):
        return True
    about_calls = "phone" in letters or "call" in letters
    if not about_calls and any(channel in letters for channel in _OTHER_CHANNELS):
        return False
    return any(phrase in letters for phrase in _MAY_SAY_NO_TO_ONE_CHANNEL)


def may_say_call(name: str) -> bool:
    """Whether a column that nobody named may say who agreed to be called, such as `call_allowed` or `tcpa_consent`."""
    letters = _letters_of(name)
    return any(phrase in letters for phrase in _MAY_SAY_YES_TO_CALLS)


def _letters_of(name: str) -> str:
    return "".join(filter(str.isalnum, clean(name).casefold()))
