"""The database below the ledger: connections to SQLite or PostgreSQL, its locks, its errors in a sentence, its URL."""
