-- What came of the orders of a day (UTC), by the day of their end.
CREATE TABLE reports (
    day           date PRIMARY KEY,
    shipped       bigint NOT NULL,
    cancelled     bigint NOT NULL,
    rejected      bigint NOT NULL,
    refunded      bigint NOT NULL,
    revenue_cents bigint NOT NULL
);
