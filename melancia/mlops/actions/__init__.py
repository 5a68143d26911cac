"""From a finding to an action: the rule table, what it plans, and how that is done once."""
