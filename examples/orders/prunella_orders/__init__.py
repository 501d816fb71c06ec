"""An order system on Temporal: the example application of Prunella."""
