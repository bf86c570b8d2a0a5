-- inject_address is where the device of an eUICC listens, and the eIM brings packages: host and port; NULL: it polls.
ALTER TABLE eim_euicc ADD COLUMN inject_address TEXT;

CREATE INDEX eim_euicc_that_listens ON eim_euicc (eid) WHERE inject_address IS NOT NULL;
