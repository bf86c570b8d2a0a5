-- Whether a result, or what came in its place, did not verify and was recorded all the same: in builds for laboratories alone.
ALTER TABLE eim_package ADD COLUMN unverified BIGINT NOT NULL DEFAULT 0;
