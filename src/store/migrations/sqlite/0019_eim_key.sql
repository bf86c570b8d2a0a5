-- signing_key is the SHA-256 of the key of our eIM under which an eUICC takes packages, in hexadecimal digits; NULL stands for the
-- first key of the settings. left_at is when an eUICC signed that it deleted our eIM.
ALTER TABLE eim_euicc ADD COLUMN signing_key TEXT;
ALTER TABLE eim_euicc ADD COLUMN left_at INTEGER;

CREATE INDEX eim_euicc_by_key ON eim_euicc (signing_key);
