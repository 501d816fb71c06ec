-- Stock, orders, and a row for each effect, by the key that makes it happen once. Amounts are in cents.
CREATE TABLE stock (
    article     text PRIMARY KEY,
    price_cents integer NOT NULL CHECK (price_cents > 0),
    supplied    integer NOT NULL CHECK (supplied >= 0), -- all pieces that ever came: available, reserved or shipped
    available   integer NOT NULL CHECK (available BETWEEN 0 AND supplied)
);

-- The first answer to each request: a repeated one gets it again.
CREATE TABLE requests (
    idempotency_key text PRIMARY KEY,
    order_id        uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    body            jsonb NOT NULL,
    total_cents     integer NOT NULL,
    accepted        boolean NOT NULL DEFAULT false, -- its workflow was started, and the customer may rely on it
    received_at     timestamptz NOT NULL DEFAULT now()
);

-- A released row stays, so that an attempt that comes late reserves nothing.
CREATE TABLE reservations (
    key      text PRIMARY KEY,
    order_id uuid NOT NULL,
    held     boolean NOT NULL
);

CREATE TABLE reserved_lines (
    key      text NOT NULL REFERENCES reservations,
    article  text NOT NULL REFERENCES stock,
    quantity integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (key, article)
);

CREATE TABLE orders (
    id          uuid PRIMARY KEY REFERENCES requests (order_id),
    customer    text NOT NULL,
    total_cents integer NOT NULL,
    status      text NOT NULL,
    reason      text NOT NULL DEFAULT '',
    payment_id  text NOT NULL DEFAULT '',
    tracking_id text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    closed_at   timestamptz
);

-- Our own account of money, from the callbacks of the payment service.
CREATE TABLE receipts (
    payment_id   uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('captured', 'refunded')),
    order_id     uuid NOT NULL,
    amount_cents integer NOT NULL CHECK (amount_cents > 0),
    received_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (payment_id, kind)
);

CREATE TABLE mails (
    order_id uuid NOT NULL,
    letter   text NOT NULL,
    sent_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, letter)
);

INSERT INTO stock (article, price_cents, supplied, available) VALUES
    ('apple', 50, 1000000, 1000000),
    ('bread', 350, 1000000, 1000000),
    ('cheese', 1200, 1000000, 1000000),
    ('truffle', 90000, 1000000, 1000000),
    ('unicorn', 100, 0, 0);
