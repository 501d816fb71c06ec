-- One row for each Idempotency-Key. A void row refuses a shipment that comes after its recall.
CREATE TABLE shipments (
    key         text PRIMARY KEY,
    tracking_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    order_id    uuid NOT NULL,
    state       text NOT NULL CHECK (state IN ('sent', 'recalled', 'void')),
    made_at     timestamptz NOT NULL DEFAULT now()
);
