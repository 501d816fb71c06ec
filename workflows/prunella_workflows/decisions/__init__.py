"""Pure decisions, called from activities only, so that their answers are recorded in histories."""
