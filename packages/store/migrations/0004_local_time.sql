-- Delivery by the devices' own clocks. When each push is due is its batch's to know; its end is `pushes.expires_at`.

ALTER TABLE messages
  -- What was asked: sendAtLocal, timeZone, quietHours. Null for a message that goes by one clock.
  ADD COLUMN local_time jsonb;

ALTER TABLE pushes
  -- Where its device's clock is; only for a message with quiet hours, which are looked at again before each attempt.
  ADD COLUMN time_zone text;
