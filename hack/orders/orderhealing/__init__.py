"""The order application in a cluster, under load: broken in four ways, and healed or escalated by Prunella."""
