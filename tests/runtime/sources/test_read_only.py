"""What is run as a query: one statement that reads, told apart before it is sent."""

import pytest

from runtime.sources.read_only import why_not_reading

ONE = "has to be one statement"
SELECT = "has to be a SELECT"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "select 1 ;  ",
        "SELECT 1; -- the end",
        "SELECT ';' AS a, \"b;c\" FROM t",
        "SELECT 1 /* one; /* two; */ three; */",
        "SELECT $$a;b$$, $x$c;$y$;d$x$",
        r"SELECT E'it\'s; fine'",
        "-- all; of them\nSELECT 'paid into the account'",
        "(SELECT 1) UNION (SELECT 2)",
        "WITH c AS (SELECT 1) SELECT * FROM c",
        "VALUES (1)",
        "TABLE customers",
        "SELECT intoxicated FROM t",
    ],
)
def test_a_statement_that_reads_may_be_run(query: str) -> None:
    assert why_not_reading(query, "postgresql") is None


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT 1; INSERT INTO t VALUES (1); COMMIT", SELECT),
        ("SELECT 1; DELETE FROM t; COMMIT", ONE),
        ("SELECT 1;COMMIT;", ONE),
        ("SELECT 1;;", None),
        (r"SELECT '\'; DELETE FROM t; --'", ONE),
        ("SELECT 1 /* /* */ ' */ ; DELETE FROM t; --'", ONE),
        ("SELECT $1$a$1$; DELETE FROM t", ONE),
        ("SELECT 'a'';b'; DELETE FROM t", ONE),
        ("SELECT * INTO copy FROM t", SELECT),
        ("EXEC drop_all", SELECT),
        ("EXECUTE plan", SELECT),
        ("CALL drop_all()", SELECT),
        ("DO $$ BEGIN END $$", SELECT),
        ("EXPLAIN ANALYZE DELETE FROM t", SELECT),
        ("COPY t TO PROGRAM 'sh'", SELECT),
        ("SET default_transaction_read_only = off", SELECT),
        ("/* SELECT */ DELETE FROM t", SELECT),
        ("", SELECT),
    ],
)
def test_what_does_more_than_read_is_refused(query: str, why: str | None) -> None:
    found = why_not_reading(query, "postgresql")
    assert found == why if why is None else found is not None and found.startswith(why)


def test_where_texts_may_be_written_otherwise_no_semicolon_is_trusted() -> None:
    assert why_not_reading(r"SELECT '\''; DELETE FROM t; -- '", "mysql") is not None
    assert why_not_reading("SELECT ';'", "mysql") is not None
    assert why_not_reading("SELECT 1;", "mysql") is None
