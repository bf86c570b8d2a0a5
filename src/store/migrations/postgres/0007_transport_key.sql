-- Keys under which keys travel. partner_kind: 0 manufacturer, 1 platform; purpose: 1 K and OPc, 2 keys for remote management, 3
-- both; algorithm: 0 to 2 AES-128, -192, -256, 3 triple DES; chaining: 0 ECB, 1 CBC from zeros, 2 from initial_block, 3 from the block
-- before each value; check_method: 0 zeros, 1 ones; state: 0 waiting, 1 approved, 2 retired.
CREATE TABLE transport_key (
    key_id        TEXT    NOT NULL CONSTRAINT transport_key_key PRIMARY KEY,
    partner_kind  BIGINT  NOT NULL,
    partner       TEXT    NOT NULL,
    key_index     BIGINT  NOT NULL,
    purpose       BIGINT  NOT NULL,
    algorithm     BIGINT  NOT NULL,
    chaining      BIGINT  NOT NULL,
    initial_block BYTEA   NOT NULL,
    check_method  BIGINT  NOT NULL,
    check_value   BYTEA   NOT NULL,
    sealed        BYTEA   NOT NULL,
    state         BIGINT  NOT NULL,
    imported_by   TEXT    NOT NULL,
    imported_at   BIGINT  NOT NULL,
    approved_by   TEXT,
    approved_at   BIGINT,
    retired_by    TEXT,
    retired_at    BIGINT
);

-- One index means one key at a time for each purpose.
CREATE UNIQUE INDEX transport_key_subscription ON transport_key (partner_kind, partner, key_index)
    WHERE state <> 2 AND purpose IN (1, 3);
CREATE UNIQUE INDEX transport_key_ota ON transport_key (partner_kind, partner, key_index)
    WHERE state <> 2 AND purpose IN (2, 3);

CREATE INDEX transport_key_of_partner ON transport_key (partner_kind, partner, key_id);
