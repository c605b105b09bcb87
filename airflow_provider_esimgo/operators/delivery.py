"""Brings each recipient their own eSIM by e-mail, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_esimgo.hooks.compat import AirflowException, AirflowFailException
from airflow_provider_esimgo.hooks.delivery import Delivered, Letter, deliver
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.export import read_people
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.hooks.kit import collect_kit
from airflow_provider_esimgo.hooks.mail import MailServerError, airflow_mailer
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.kit import KitError
from airflow_provider_esimgo.kit.letter import DEFAULT_SUBJECT, mailbox
from airflow_provider_esimgo.ledger.holdings import Selection

if TYPE_CHECKING:
    from airflow.sdk import Context


class EsimGoDeliverKitsOperator(BaseOperator):
    """E-mail each recipient of a bought batch their own QR codes, links and steps: each unit once.

    The ledger knows of a message before the mail server does. A run that was killed, a retry or a second run sends
    nothing twice; a message of which nobody knows whether it arrived is not sent again by itself: a person allows it
    (`airflow esimgo kit resolve`). Nobody gets the code of an eSIM that is on a device already.

    Args:
        batch_id: a bought batch (templated).
        manifest: the batch's CSV again: the addresses are kept nowhere else (templated).
        smtp_conn_id: an Airflow connection of type SMTP.
        from_email: the sender; by default the connection's (templated).
        subject: of each message (templated).
        note: a sentence or two of the client's own, such as whom to ask (templated).
        reply_to: where answers go (templated).
        even_if_installed: send the codes of eSIMs that are on a device already, too.
        default_bundle: as for `EsimGoValidateBatchOperator` (templated).
        storage_conn_id: Airflow connection for the object store, if the manifest is in one that needs it.
        esimgo_conn_id: the eSIM Go connection (templated).

    Returns:
        `batch_id`, and how many units were `sent` by this run, `already` by an earlier one, `withheld` (installed, or
        of no use any more), without a usable address (`no_address`), `refused`, `unknown`, and `under_way`.

    Raises:
        AirflowException: some were refused or are unknown; the others are sent. Retried where that can help.
    """

    template_fields: Sequence[str] = (
        "batch_id",
        "manifest",
        "from_email",
        "subject",
        "note",
        "reply_to",
        "default_bundle",
        "esimgo_conn_id",
    )
    ui_color = "#e2f0f7"

    def __init__(
        self,
        *,
        batch_id: str,
        manifest: str,
        smtp_conn_id: str = "smtp_default",
        from_email: str | None = None,
        subject: str = DEFAULT_SUBJECT,
        note: str = "",
        reply_to: str | None = None,
        even_if_installed: bool = False,
        default_bundle: str | None = None,
        storage_conn_id: str | None = None,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.batch_id = batch_id
        self.manifest = manifest
        self.smtp_conn_id = smtp_conn_id
        self.from_email = from_email
        self.subject = subject
        self.note = note
        self.reply_to = reply_to
        self.even_if_installed = even_if_installed
        self.default_bundle = default_bundle
        self.storage_conn_id = storage_conn_id
        self.esimgo_conn_id = esimgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Send what is not sent yet."""
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            mailer, connection_sender = airflow_mailer(self.smtp_conn_id)
            letter = self._letter(connection_sender)
            batch = hook.ledger.batch(hook.account, self.batch_id)
            people = read_people(
                self.manifest, default_bundle=self.default_bundle or None, conn_id=self.storage_conn_id
            )
            kit = collect_kit(
                hook,
                Selection(batch_id=batch.batch_id),
                manifest=people,
                even_if_installed=self.even_if_installed,
                archives=False,
            )
            try:
                with mailer:
                    done = deliver(hook.ledger, batch, kit, mailer, letter)
            except MailServerError as error:
                raise AirflowException(str(error)) from None
            self._tell(batch.batch_id, done)
            counts = asdict(done)
            del counts["retry"]
            return {"batch_id": batch.batch_id, **counts}

    def _letter(self, connection_sender: str | None) -> Letter:
        sender = self.from_email or connection_sender or ""
        try:
            mailbox("the sender (from_email)", sender)
            if self.reply_to:
                mailbox("reply_to", self.reply_to)
        except KitError as error:
            raise SettingsError(
                f"{error}. Nothing was sent. Give from_email and reply_to to the operator, or from_email in the extra "
                f"of connection {self.smtp_conn_id!r}."
            ) from None
        return Letter(sender, self.subject or DEFAULT_SUBJECT, self.note or "", self.reply_to or None)

    def _tell(self, batch_id: str, done: Delivered) -> None:
        self.log.info(
            "Batch %s: %d units sent, %d sent before, %d withheld (installed already), %d without an address",
            batch_id,
            done.sent,
            done.already,
            done.withheld,
            done.no_address,
        )
        if not (done.refused or done.unknown or done.under_way):
            return
        told = [f"Of batch {batch_id!r}, {done.sent + done.already} units are delivered. Nothing was bought."]
        if done.refused:
            told.append(
                f"{done.refused} were refused by the mail server or not sent: the next run tries them again."
            )
        if done.under_way:
            told.append(f"Another run is sending {done.under_way} of them.")
        if done.unknown:
            told.append(
                f"Of {done.unknown} nobody knows whether they arrived, and they are not sent again by themselves: "
                f"see 'airflow esimgo kit deliveries --batch {batch_id}', look for the message id in the mail "
                "server's log, and say what became of them with 'airflow esimgo kit resolve'."
            )
        raise (AirflowException if done.retry else AirflowFailException)(" ".join(told))
