-- With every group of outcomes a worker hears which of its messages are cancelled or paused. Few are; without this, all of
-- them are read for it, each time.
CREATE INDEX messages_marked ON messages (id) WHERE cancelled_at IS NOT NULL OR paused_at IS NOT NULL;
