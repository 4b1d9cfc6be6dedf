-- What the delivery engine keeps: what may be on its way unrecorded, what stands still, what was given up, quotas.

ALTER TABLE batches
  -- Places in `ns` of pushes that are being handed to a vendor without identity. Whoever claims the batch after a
  -- holder that died must take them for unanswered, since sending them again would be blind.
  ADD COLUMN sending integer[] NOT NULL DEFAULT '{}',
  DROP CONSTRAINT batches_state_check,
  -- held: its one message is paused.
  ADD CONSTRAINT batches_state_check CHECK (state IN ('waiting', 'enqueued', 'held'));
CREATE INDEX batches_held ON batches ((message_ids[1])) WHERE state = 'held';
DROP INDEX batches_expiring;
CREATE INDEX batches_expiring ON batches (expires_at) WHERE state <> 'enqueued';
DROP INDEX batches_enqueued;
CREATE INDEX batches_enqueued ON batches (channel_id, lane) WHERE state = 'enqueued';

ALTER TABLE messages ADD COLUMN paused_at timestamptz;

ALTER TABLE pushes
  -- Its own end, in place of its message's: a dead letter that is replayed gets more time.
  ADD COLUMN expires_at timestamptz,
  -- Each time that an operator had it sent again after it was given up.
  ADD COLUMN replayed_at timestamptz[];

-- Pushes that were given up, with their last outcome. Dead tokens are not among them: there is nothing to repeat.
CREATE TABLE dead_letters (
  message_id uuid NOT NULL,
  n          integer NOT NULL,
  channel_id uuid NOT NULL REFERENCES channels,
  lane       smallint NOT NULL,
  -- To the millisecond, as pages name it.
  at         timestamptz(3) NOT NULL DEFAULT now(),
  state      push_state NOT NULL,
  kind       text NOT NULL,
  code       text,
  detail     text,
  PRIMARY KEY (message_id, n)
);
CREATE INDEX dead_letters_by_channel ON dead_letters (channel_id, at, message_id, n);

-- A letter is there only while its push is given up. Whatever moves the push on (a receipt, a late word of the vendor, a
-- replay) takes the letter with it; a trigger, because it alone sees the state that the row really had when two
-- statements met at it.
CREATE FUNCTION forget_dead_letter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM dead_letters WHERE message_id = NEW.message_id AND n = NEW.n;
  RETURN NULL;
END $$;
CREATE TRIGGER forget_dead_letter AFTER UPDATE OF state ON pushes
  FOR EACH ROW WHEN (OLD.state IN ('failed', 'unknown') AND NEW.state NOT IN ('failed', 'unknown'))
  EXECUTE FUNCTION forget_dead_letter();

-- Pushes that a channel has sent, or is about to, of a class on a day of the vendor's calendar.
CREATE TABLE quota_days (
  channel_id uuid NOT NULL REFERENCES channels,
  class      text NOT NULL CHECK (class IN ('transactional', 'marketing')),
  day        date NOT NULL,
  used       bigint NOT NULL DEFAULT 0,
  -- What the latest statement took: how it learns what was left for it.
  granted    integer NOT NULL DEFAULT 0,
  PRIMARY KEY (channel_id, class, day)
) WITH (fillfactor = 50);

-- The same by device token, for channels with such a rule. Kept for two days; a reference would be looked up for each.
CREATE TABLE quota_devices (
  channel_id uuid NOT NULL,
  class      text NOT NULL CHECK (class IN ('transactional', 'marketing')),
  day        date NOT NULL,
  -- The first half of its SHA-256.
  token_hash bytea NOT NULL,
  used       integer NOT NULL,
  granted    integer NOT NULL,
  PRIMARY KEY (channel_id, class, day, token_hash)
) WITH (fillfactor = 80);

ALTER TABLE batches
  -- Places in `ns` of pushes that the day's quota has counted, for as long as a holder works on the batch: whoever
  -- claims it after one that died goes on with what that one had reserved.
  ADD COLUMN reserved     integer[] NOT NULL DEFAULT '{}',
  ADD COLUMN reserved_day date,
  -- It waits because a quota is spent.
  ADD COLUMN quota_held   boolean NOT NULL DEFAULT false;

-- What was held against tokens lately is taken back when a channel's tokens die by the hundred.
CREATE INDEX suppressions_by_age ON suppressions (channel_id, created_at);
CREATE INDEX devices_fallen ON devices (channel_id, state_since) WHERE state <> 'active';
