-- What the owner of a fleet calls eUICCs by: one value for each name.
CREATE TABLE euicc_label (
    eid   TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT euicc_label_key PRIMARY KEY (eid, name)
) WITHOUT ROWID;

CREATE INDEX euicc_label_by_value ON euicc_label (name, value, eid);
