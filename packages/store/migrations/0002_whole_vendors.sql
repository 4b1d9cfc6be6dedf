-- What the vendors offer beyond one device: environments, audiences, questions asked later, operations.

ALTER TABLE pushes
  -- Which of the vendor's environments the device is filed under; null for the channel's own.
  ADD COLUMN environment text,
  -- Whom the vendor is to find itself; the token is then empty.
  ADD COLUMN audience    jsonb;

ALTER TABLE receipts
  DROP CONSTRAINT receipts_proof_check,
  ADD CONSTRAINT receipts_proof_check CHECK (proof IN ('signature', 'secret-url', 'polled'));

ALTER TABLE channels
  -- The vendor may be asked about tasks again from here on; see PollingPlan.
  ADD COLUMN next_poll_at    timestamptz,
  -- The fewest days before its expiry that the credential was warned about.
  ADD COLUMN expiry_warned   smallint;

-- Calls that a vendor took and can be asked about, by the id that it gave.
CREATE TABLE tasks (
  channel_id   uuid NOT NULL REFERENCES channels,
  id           text NOT NULL,
  accepted_at  timestamptz NOT NULL DEFAULT now(),
  message_ids  uuid[] NOT NULL,
  ns           integer[] NOT NULL,
  -- When it is asked about next; null when nothing more will be told.
  due_at       timestamptz,
  polls        smallint NOT NULL DEFAULT 0,
  polled_at    timestamptz,
  code         text,
  detail       text,
  counts       jsonb,
  PRIMARY KEY (channel_id, id)
);
CREATE INDEX tasks_due ON tasks (channel_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tasks_by_age ON tasks (accepted_at);

-- What an operator asked a vendor to do: the api asks, a worker, who may open the credential, answers.
CREATE TABLE operations (
  id           uuid PRIMARY KEY,
  channel_id   uuid NOT NULL REFERENCES channels,
  name         text NOT NULL,
  input        jsonb NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  taken_at     timestamptz,
  answered_at  timestamptz,
  answer       jsonb
);
CREATE INDEX operations_waiting ON operations (requested_at) WHERE taken_at IS NULL;

-- Devices as apps register them. A token belongs to one device of a channel: the one that registered it last.
CREATE TABLE devices (
  app_id        uuid NOT NULL REFERENCES apps,
  id            text NOT NULL,
  channel_id    uuid NOT NULL REFERENCES channels,
  token         text NOT NULL,
  environment   text,
  user_id       text,
  tags          text[] NOT NULL DEFAULT '{}',
  locale        text,
  time_zone     text,
  -- misfiled: its token is not known in the environment that it is filed under.
  state         text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'dead', 'misfiled')),
  code          text,
  state_since   timestamptz NOT NULL DEFAULT now(),
  created_at    timestamptz NOT NULL DEFAULT now(),
  registered_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app_id, id)
);
CREATE UNIQUE INDEX devices_by_token ON devices (channel_id, token);
CREATE INDEX devices_by_user ON devices (app_id, user_id) WHERE user_id IS NOT NULL;
-- Without a list of what is not in the index yet, which every search would have to read through.
CREATE INDEX devices_by_tag ON devices USING gin (tags) WITH (fastupdate = off);
