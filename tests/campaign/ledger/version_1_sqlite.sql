CREATE TABLE call_attempts (
	call_key TEXT NOT NULL,
	campaign TEXT NOT NULL,
	recipient_id TEXT NOT NULL,
	phone TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	state TEXT NOT NULL,
	run_id TEXT,
	account TEXT,
	agent_id TEXT,
	route TEXT,
	claimed_at DATETIME NOT NULL,
	lease_until DATETIME NOT NULL,
	placed_at DATETIME,
	ended_at DATETIME,
	updated_at DATETIME NOT NULL,
	job_id TEXT,
	status TEXT,
	duration_seconds FLOAT,
	cost FLOAT,
	reserved_cost FLOAT,
	outcome JSON,
	record JSON,
	error TEXT,
	answer TEXT,
	message_key TEXT,
	status_code INTEGER,
	opted_out BOOLEAN NOT NULL,
	echoed BOOLEAN NOT NULL,
	tries INTEGER NOT NULL,
	looks INTEGER NOT NULL,
	looked_at DATETIME,
	PRIMARY KEY (call_key),
	CONSTRAINT uq_call_attempts_recipient UNIQUE (campaign, recipient_id, attempt),
	CONSTRAINT uq_call_attempts_phone UNIQUE (campaign, phone, attempt),
	CONSTRAINT uq_call_attempts_job UNIQUE (job_id)
);
CREATE INDEX ix_call_attempts_echoed ON call_attempts (account, agent_id) WHERE echoed = 1;
CREATE INDEX ix_call_attempts_phone ON call_attempts (phone, claimed_at);
CREATE INDEX ix_call_attempts_price ON call_attempts (agent_id, route, ended_at, cost);
CREATE INDEX ix_call_attempts_run ON call_attempts (run_id);
CREATE INDEX ix_call_attempts_spent ON call_attempts (campaign, run_id, state, cost, reserved_cost, claimed_at);
CREATE INDEX ix_call_attempts_state ON call_attempts (state, campaign);
CREATE TABLE call_campaigns (
	campaign TEXT NOT NULL,
	on_hold BOOLEAN NOT NULL,
	note TEXT,
	changed_at DATETIME NOT NULL,
	PRIMARY KEY (campaign)
);
CREATE TABLE call_ledger_version (
	version INTEGER NOT NULL,
	migrated_at DATETIME NOT NULL,
	PRIMARY KEY (version)
);
INSERT INTO call_ledger_version (version, migrated_at) VALUES (1, '2026-11-03 15:00:00.000000');
