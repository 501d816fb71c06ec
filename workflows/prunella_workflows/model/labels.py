"""Every key of ours in the Kubernetes API: the API group, labels, annotations, the finalizer and types of Secrets."""

GROUP = "prunella.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

# What people set. HEAL and IGNORE opt a namespace or workload in or out; CANCEL and KEEP are for Incidents.
HEAL = f"{GROUP}/heal"
IGNORE = f"{GROUP}/ignore"
DEPENDS_ON = f"{GROUP}/depends-on"
CANCEL = f"{GROUP}/cancel"
KEEP = f"{GROUP}/keep"

# Types of the Secrets that hold the address of a channel or a ticket system.
CHANNEL = f"{GROUP}/channel"
TICKETS = f"{GROUP}/tickets"

# What a repair leaves on its target: its action id, its time, the change in words, the snapshot of what it replaced,
# and what it left.
LAST_ACTION = f"{GROUP}/last-action"
LAST_ACTION_AT = f"{GROUP}/last-action-at"
LAST_CHANGE = f"{GROUP}/last-change"
BEFORE = f"{GROUP}/before"
AFTER = f"{GROUP}/after"

CHANGE_CAUSE = "kubernetes.io/change-cause"
"""The cause of a revision, for `kubectl rollout history`: the controller copies it to the revision."""
CAUSE_BEFORE = f"{GROUP}/change-cause-before"
"""The owner's cause, which an undo restores; "" if there was none."""

# Snapshots of pod templates: why one was taken, whose it is, when it was last seen available and stable, or the seconds
# for which its pods were seen ready, when that is too short to prove anything.
SNAPSHOT = f"{GROUP}/snapshot"
WORKLOAD = f"{GROUP}/workload"
"""The key of the workload that a snapshot or an Incident is about."""
WORKLOAD_UID = f"{GROUP}/workload-uid"
GOOD_AT = f"{GROUP}/good-at"
READY_FOR = f"{GROUP}/ready-for"

TRACK_RECORD = f"{GROUP}/track-record"
"""The label of the ConfigMaps that keep track records."""

# How an Incident was opened.
SOURCE = f"{GROUP}/source"
FAULT = f"{GROUP}/fault"
DETECTED_AT = f"{GROUP}/detected-at"
FAULT_AT = f"{GROUP}/fault-at"
RECOVERED_AT = f"{GROUP}/recovered-at"
"""The time at which the workload of a closed Incident was seen well: its next fault is a new one."""
TRACEPARENT = f"{GROUP}/traceparent"

# Alerts about an Incident: the one that opened it and its end, the one that withdrew it, and one annotation for each.
OPENED_BY_ALERT = f"{GROUP}/opened-by-alert"
ALERT_RESOLVED_AT = f"{GROUP}/alert-resolved-at"
WITHDRAWN_BY_ALERT = f"{GROUP}/withdrawn-by-alert"
ALERT_PREFIX = f"alert.{GROUP}/"

# The repair slots of an Incident, which the budgets of all incidents count.
REPAIR_SLOT = f"{GROUP}/repair-slot"
REPAIR_SLOTS = f"{GROUP}/repair-slots"

# How kopf and Events name us. Prunella sets no finalizer; kopf only has to be given the name of one.
REPORTER = f"{GROUP}/operator"
FINALIZER = f"{GROUP}/unused"
KOPF_PREFIX = f"kopf.{GROUP}"
