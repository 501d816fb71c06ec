"""The command `prunella codec-server`."""

from typing import Annotated

import typer

from prunella_operator.cli.options import ASSIGNMENTS, Invocation, Options, add_options
from prunella_operator.cli.run import LOGGING

_CODEC: Options = {
    "payload_key_file": Annotated[str | None, typer.Option(help="File with the keys of operator and workers.")],
    "codec_token_file": Annotated[str | None, typer.Option(help="File with bearer tokens that may decrypt.")],
    "codec_oidc_issuer": Annotated[str | None, typer.Option(help="URL of the issuer whose tokens may decrypt.")],
    "codec_oidc_audience": Annotated[str | None, typer.Option(help="Audience that these tokens must have.")],
    "codec_origins": Annotated[str | None, typer.Option(help="Origins of Temporal's web page, comma-separated.")],
    "codec_encode": Annotated[bool | None, typer.Option("--codec-encode", help="Encrypt too, at /encode.")],
    "codec_port": Annotated[int | None, typer.Option(help="Port; default 8082.")],
    **LOGGING,
    **ASSIGNMENTS,
}


@add_options(_CODEC)
def codec_server(invocation: Invocation) -> None:
    """Decrypt payloads for Temporal's web page and command line. The keys stay here; it needs no cluster.

    Every request needs a token: one of a file, or one of your single sign-on that the web page passes on.
    It only decrypts, unless --codec-encode.

    Example: `prunella codec-server --payload-key-file keys --codec-token-file token`, and then
    `temporal workflow show --workflow-id incident-UID --codec-endpoint http://127.0.0.1:8082
    --codec-auth "Bearer TOKEN"`

    For the web page at https://temporal.example.org: `prunella codec-server --payload-key-file keys
    --codec-origins https://temporal.example.org --codec-oidc-issuer https://sso.example.org --codec-oidc-audience
    temporal`, and start the page with `TEMPORAL_CODEC_ENDPOINT` and `TEMPORAL_CODEC_PASS_ACCESS_TOKEN=true`.
    """
    raise typer.Exit(invocation.tools.run(invocation.settings, codec_server=True))
