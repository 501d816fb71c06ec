"""The settings of all processes: environment variables `ORDERS_<NAME>`; the database also by DATABASE_URL."""

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from prunella_orders.services.faults import Faults


class Settings(BaseSettings):
    """Times are in seconds, amounts in cents."""

    model_config = SettingsConfigDict(
        env_prefix="ORDERS_", frozen=True, env_ignore_empty=True, populate_by_name=True, hide_input_in_errors=True
    )

    database_url: SecretStr = Field(validation_alias=AliasChoices("ORDERS_DATABASE_URL", "DATABASE_URL"))
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    payments_url: str = "http://127.0.0.1:8082"
    carrier_url: str = "http://127.0.0.1:8083"
    callback_url: str = "http://127.0.0.1:8081/payments/callback"
    callback_token: SecretStr = Field(SecretStr("local"), description="shown by the payment service with each callback")
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 1025
    mail_from: str = "orders@example.com"
    approval_limit_cents: int = Field(1_000_000, description="orders above it wait for an approval", gt=0)
    approval_token: SecretStr = Field(SecretStr("local"), description="shown with each approval or rejection")
    approver_email: str = Field(
        "approver@example.com", description="the person who is asked, and gets the nightly report"
    )
    http_host: str = "127.0.0.1"
    http_port: int = 8081
    max_activities: int = Field(50, description="activities that one worker runs at the same time", ge=1)
    faults: Faults = Field(Faults(), description="of the payment service, the carrier or the worker, as JSON")
