"""`nameplate webhooks`: what somebody who receives webhooks needs on the command line."""
