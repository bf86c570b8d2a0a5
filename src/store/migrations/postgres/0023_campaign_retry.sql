-- A target of a campaign may be asked more than once: the number of the present attempt, from 1.
ALTER TABLE campaign_target ADD COLUMN attempt BIGINT NOT NULL DEFAULT 1;
