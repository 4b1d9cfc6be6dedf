-- The ledger: what was asked (messages, batches) and what came of it (pushes, attempts, receipts).
-- Ids are UUIDv7, ordered by time, so the big tables are cut into days by id and need no date column.

CREATE TABLE apps (
  id         uuid PRIMARY KEY,
  name       text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
  id          uuid PRIMARY KEY,
  app_id      uuid NOT NULL REFERENCES apps,
  name        text NOT NULL,
  role        text NOT NULL CHECK (role IN ('producer', 'operator')),
  -- SHA-256 of the key, which has 256 random bits: no salt or slow hash is needed.
  secret_hash bytea NOT NULL UNIQUE,
  created_at  timestamptz NOT NULL DEFAULT now(),
  revoked_at  timestamptz
);

CREATE TABLE channels (
  id                uuid PRIMARY KEY,
  app_id            uuid NOT NULL REFERENCES apps,
  name              text NOT NULL,
  vendor            text NOT NULL,
  state             text NOT NULL DEFAULT 'on' CHECK (state IN ('on', 'paused')),
  paused_reason     jsonb,
  settings          jsonb NOT NULL,
  policy            jsonb NOT NULL DEFAULT '{}',
  credential_sealed bytea NOT NULL,
  credential_shown  jsonb NOT NULL,
  -- The unguessable part of the channel's callback address.
  callback_key      text NOT NULL UNIQUE,
  -- Grows with every change; workers compare it.
  version           integer NOT NULL DEFAULT 1,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  deleted_at        timestamptz
);
CREATE UNIQUE INDEX channels_by_name ON channels (app_id, name) WHERE deleted_at IS NULL;

CREATE TYPE push_state AS ENUM (
  'queued', 'accepted', 'delivered', 'displayed', 'clicked',
  'failed', 'expired', 'cancelled', 'suppressed', 'dropped', 'unknown'
);

CREATE TABLE messages (
  id           uuid PRIMARY KEY,
  app_id       uuid NOT NULL,
  content      jsonb NOT NULL,
  push_count   integer NOT NULL,
  send_at      timestamptz,
  expires_at   timestamptz NOT NULL,
  cancelled_at timestamptz
) PARTITION BY RANGE (id);

CREATE TABLE pushes (
  message_id        uuid NOT NULL,
  n                 integer NOT NULL,
  channel_id        uuid NOT NULL,
  token             text NOT NULL,
  state             push_state NOT NULL DEFAULT 'queued',
  attempts          smallint NOT NULL DEFAULT 0,
  code              text,
  detail            text,
  vendor_message_id text,
  updated_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (message_id, n)
) PARTITION BY RANGE (message_id);
-- "Did it arrive?" is asked by token. Equal hashes are told apart by the token itself.
CREATE INDEX pushes_by_token ON pushes (hashtextextended(token, 0));

CREATE TABLE attempts (
  message_id        uuid NOT NULL,
  n                 integer NOT NULL,
  at                timestamptz NOT NULL,
  duration_ms       integer NOT NULL,
  kind              text NOT NULL,
  code              text,
  detail            text,
  vendor_message_id text,
  -- What was decided: finish, retry, snooze, bury, pause-channel.
  action            text NOT NULL,
  delay_ms          integer
) PARTITION BY RANGE (message_id);
CREATE INDEX attempts_by_push ON attempts (message_id, n);

-- Callbacks that were proven and matched. The key makes a repeated callback change nothing.
CREATE TABLE receipts (
  message_id  uuid NOT NULL,
  n           integer NOT NULL,
  dedup_key   bytea NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  proof       text NOT NULL CHECK (proof IN ('signature', 'secret-url')),
  state       push_state,
  code        text NOT NULL,
  detail      text NOT NULL,
  raw_body    bytea NOT NULL,
  PRIMARY KEY (message_id, n, dedup_key)
) PARTITION BY RANGE (message_id);

-- Callbacks that changed nothing: refused, unreadable, or matching no push. Bounded by maintenance.
CREATE TABLE stray_receipts (
  id          uuid PRIMARY KEY,
  channel_id  uuid NOT NULL REFERENCES channels,
  received_at timestamptz NOT NULL DEFAULT now(),
  result      text NOT NULL CHECK (result IN ('refused', 'unreadable', 'unmatched')),
  code        text NOT NULL,
  detail      text NOT NULL,
  raw_query   text NOT NULL,
  raw_body    bytea NOT NULL
);

-- Work to do. A finished batch leaves the table.
CREATE TABLE batches (
  id          uuid PRIMARY KEY,
  channel_id  uuid NOT NULL REFERENCES channels,
  -- 0 urgent, 1 bulk: the order in which they are fed.
  lane        smallint NOT NULL,
  due_at      timestamptz NOT NULL,
  -- When the last of its pushes expires: what waits on a paused channel must end all the same.
  expires_at  timestamptz NOT NULL,
  state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'enqueued')),
  -- Grows each time the batch goes back to wait; with the id it names the job.
  run         integer NOT NULL DEFAULT 0,
  enqueued_at timestamptz,
  -- Grows with every claim, so that a holder that was taken for dead learns that it no longer holds.
  fence       bigint NOT NULL DEFAULT 0,
  lease_until timestamptz,
  claims      integer NOT NULL DEFAULT 0,
  message_ids uuid[] NOT NULL,
  ns          integer[] NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX batches_waiting ON batches (channel_id, lane, due_at, id) WHERE state = 'waiting';
CREATE INDEX batches_expiring ON batches (expires_at) WHERE state = 'waiting';
CREATE INDEX batches_enqueued ON batches (channel_id, enqueued_at) WHERE state = 'enqueued';

CREATE TABLE suppressions (
  channel_id uuid NOT NULL REFERENCES channels,
  token      text NOT NULL,
  code       text NOT NULL,
  -- The vendor's timestamp where it gives one.
  since      timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (channel_id, token)
);

CREATE TABLE idempotency_keys (
  app_id     uuid NOT NULL,
  key        text NOT NULL,
  body_hash  bytea NOT NULL,
  response   jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app_id, key)
);
