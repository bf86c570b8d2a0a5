-- Orders made many at a time: a run that is repeated finds its orders again. digest is of what was asked for.

CREATE TABLE order_run (
    run_id     TEXT    NOT NULL CONSTRAINT order_run_key PRIMARY KEY,
    digest     TEXT    NOT NULL,
    profiles   BIGINT  NOT NULL,
    created_at BIGINT  NOT NULL
);

-- number tells the order from a later one for the same profile.
CREATE TABLE order_run_place (
    run_id TEXT    NOT NULL,
    place  BIGINT  NOT NULL,
    iccid  TEXT    NOT NULL,
    number BIGINT  NOT NULL,
    CONSTRAINT order_run_place_key PRIMARY KEY (run_id, place)
);
