CREATE TABLE call_accounts (
	key_name TEXT NOT NULL,
	account TEXT,
	noted_at DATETIME NOT NULL,
	PRIMARY KEY (key_name)
);
CREATE TABLE call_agents (
	campaign TEXT NOT NULL,
	agent_id TEXT NOT NULL,
	agent_updated_at DATETIME NOT NULL,
	noted_at DATETIME NOT NULL,
	PRIMARY KEY (campaign, agent_id)
);
CREATE TABLE call_approvals (
	campaign TEXT NOT NULL,
	run_id TEXT NOT NULL,
	asked_at DATETIME NOT NULL,
	people INTEGER NOT NULL,
	cost FLOAT,
	fingerprint TEXT NOT NULL,
	recipients BLOB,
	answered_at DATETIME,
	decision TEXT,
	at_most INTEGER,
	note TEXT,
	PRIMARY KEY (campaign, run_id)
);
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
	agent_updated_at DATETIME,
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
	person TEXT,
	debt TEXT,
	opt_out_fields JSON,
	policy TEXT,
	decided_by JSON,
	created_at DATETIME,
	adopted_by TEXT,
	PRIMARY KEY (call_key),
	CONSTRAINT uq_call_attempts_recipient UNIQUE (campaign, recipient_id, attempt),
	CONSTRAINT uq_call_attempts_phone UNIQUE (campaign, phone, attempt),
	CONSTRAINT uq_call_attempts_job UNIQUE (job_id)
);
CREATE INDEX ix_call_attempts_account ON call_attempts (account, agent_id, claimed_at);
CREATE INDEX ix_call_attempts_echoed ON call_attempts (account, agent_id) WHERE echoed = 1;
CREATE INDEX ix_call_attempts_in_flight_person ON call_attempts (person, state) WHERE state IN ('claimed', 'placed', 'uncertain');
CREATE INDEX ix_call_attempts_in_flight_phone ON call_attempts (phone, state) WHERE state IN ('claimed', 'placed', 'uncertain');
CREATE INDEX ix_call_attempts_person ON call_attempts (person, claimed_at);
CREATE INDEX ix_call_attempts_phone ON call_attempts (phone, claimed_at);
CREATE INDEX ix_call_attempts_price ON call_attempts (agent_id, route, ended_at, cost);
CREATE INDEX ix_call_attempts_run ON call_attempts (run_id);
CREATE INDEX ix_call_attempts_spent ON call_attempts (campaign, run_id, state, cost, reserved_cost, claimed_at);
CREATE INDEX ix_call_attempts_state ON call_attempts (state, campaign);
CREATE TABLE call_campaigns (
	campaign TEXT NOT NULL,
	on_hold BOOLEAN NOT NULL,
	note TEXT,
	held_by TEXT,
	changed_at DATETIME NOT NULL,
	PRIMARY KEY (campaign)
);
CREATE TABLE call_ledger_version (
	version INTEGER NOT NULL,
	migrated_at DATETIME NOT NULL,
	PRIMARY KEY (version)
);
CREATE TABLE call_opt_out_fields (
	field TEXT NOT NULL,
	named_at DATETIME NOT NULL,
	searched_at DATETIME,
	PRIMARY KEY (field)
);
CREATE TABLE call_opt_outs (
	opt_out_id TEXT NOT NULL,
	phone TEXT,
	person TEXT,
	said TEXT NOT NULL,
	source TEXT NOT NULL,
	origin TEXT,
	call_key TEXT,
	field TEXT,
	noted_at DATETIME NOT NULL,
	lifted_at DATETIME,
	lifted_by TEXT,
	lifted_because TEXT,
	PRIMARY KEY (opt_out_id)
);
CREATE INDEX ix_call_opt_outs_person ON call_opt_outs (person);
CREATE INDEX ix_call_opt_outs_phone ON call_opt_outs (phone);
CREATE TABLE call_policies (
	policy TEXT NOT NULL,
	rules JSON NOT NULL,
	first_used_at DATETIME NOT NULL,
	PRIMARY KEY (policy)
);
CREATE TABLE call_refusals (
	run_id TEXT NOT NULL,
	"row" INTEGER NOT NULL,
	campaign TEXT NOT NULL,
	recipient_id TEXT,
	phone TEXT,
	bucket TEXT NOT NULL,
	reason TEXT NOT NULL,
	until DATETIME,
	policy TEXT,
	decided_at DATETIME NOT NULL,
	PRIMARY KEY (run_id, "row")
);
CREATE INDEX ix_call_refusals_decided ON call_refusals (decided_at);
CREATE INDEX ix_call_refusals_phone ON call_refusals (phone);
CREATE INDEX ix_call_refusals_recipient ON call_refusals (recipient_id);
CREATE TABLE call_settlements (
	call_key TEXT NOT NULL,
	settled_at DATETIME NOT NULL,
	rang BOOLEAN NOT NULL,
	who TEXT NOT NULL,
	why TEXT NOT NULL,
	PRIMARY KEY (call_key, settled_at)
);
INSERT INTO call_ledger_version (version, migrated_at) VALUES (1, '2026-11-03 15:00:00.000000');
