-- Nearly every push is taken at its first call. What there is to say of that call fits into the push's own row, where it
-- costs a few bytes; a row of `attempts` is as large as the push, and has an index.
ALTER TABLE pushes
  -- When the call began by which the vendor took it, and how long that lasted.
  ADD COLUMN taken_at timestamptz,
  ADD COLUMN taken_ms integer;

-- All attempts, wherever they are kept.
CREATE VIEW all_attempts AS
  SELECT message_id, n, at, duration_ms, kind, code, detail, vendor_message_id, action, delay_ms FROM attempts
  UNION ALL
  SELECT message_id, n, taken_at, taken_ms, 'accepted', NULL, NULL, vendor_message_id, 'finish', NULL FROM pushes
  WHERE taken_at IS NOT NULL;
