"""Where rows come from: queries, files, upstream tasks, do-not-call lists, and the last look before a claim."""

from runtime.sources.number_lists import numbers_in, numbers_of, person_of
from runtime.sources.recheck import Recheck
from runtime.sources.rows import Mappings, Rows

__all__ = ["Mappings", "Recheck", "Rows", "numbers_in", "numbers_of", "person_of"]
