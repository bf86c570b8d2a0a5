-- Whose a telephone number is, as digits alone: one profile's at a time. Of those that stand with several, the lowest ICCID has it;
-- retired profiles have none.
CREATE TABLE subscription_msisdn (
    number TEXT NOT NULL CONSTRAINT subscription_msisdn_key PRIMARY KEY,
    iccid  TEXT NOT NULL
) WITHOUT ROWID;

INSERT INTO subscription_msisdn (number, iccid)
SELECT number, MIN(iccid) FROM (
    SELECT LTRIM(msisdn, '+') AS number, iccid FROM profile WHERE msisdn IS NOT NULL AND shelf <> 3
    UNION ALL
    SELECT LTRIM(subscription_imsi.msisdn, '+'), subscription_imsi.iccid FROM subscription_imsi
    JOIN profile ON profile.iccid = subscription_imsi.iccid
    WHERE subscription_imsi.msisdn IS NOT NULL AND profile.shelf <> 3
) numbered
GROUP BY number;
