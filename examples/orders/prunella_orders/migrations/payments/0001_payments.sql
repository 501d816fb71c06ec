-- One row for each Idempotency-Key. A void row refuses a payment that comes after its refund.
CREATE TABLE payments (
    key          text PRIMARY KEY,
    id           uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    order_id     uuid NOT NULL,
    amount_cents integer NOT NULL CHECK (amount_cents >= 0),
    state        text NOT NULL CHECK (state IN ('captured', 'declined', 'refunded', 'void')),
    made_at      timestamptz NOT NULL DEFAULT now()
);

-- Events that the shop has to know; written with the payment, and sent until it answers.
CREATE TABLE callbacks (
    payment_id uuid NOT NULL REFERENCES payments (id),
    kind       text NOT NULL CHECK (kind IN ('captured', 'refunded')),
    delivered  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (payment_id, kind)
);
CREATE INDEX ON callbacks (payment_id) WHERE NOT delivered;
