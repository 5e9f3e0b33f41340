"""Something happened that somebody should be called for: `python emit_invoice_overdue.py 2041 17 +12125550117 Mona`.

The deployment `call-customer/on-invoice-overdue` calls for it, once its trigger is switched on.
"""

import sys

from prefect.events import emit_event


def emit_invoice_overdue(invoice: str, customer_id: str, phone: str, name: str) -> None:
    """Emit the event. It may be emitted again: the invoice is called for once."""
    emit_event(
        "invoice.overdue",
        resource={"prefect.resource.id": f"invoice.{invoice}"},
        payload={
            "invoice": invoice,
            "customer_id": customer_id,
            "phone": phone,
            "params": {"name": name, "amount": 120.5},
        },
    )


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(
            "Say which invoice, customer, phone and name: python emit_invoice_overdue.py 2041 17 +12125550117 Mona"
        )
    emit_invoice_overdue(*sys.argv[1:5])
