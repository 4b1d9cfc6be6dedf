-- Back-pressure asks every two seconds how much waits. Counted when written: to count the elements of `ns` while
-- reading means to fetch it from where Postgres keeps what is large, twenty times as slow.
ALTER TABLE batches ADD COLUMN push_count integer NOT NULL GENERATED ALWAYS AS (cardinality(ns)) STORED;
