"""From a curator's sheets and scans to a published exhibition."""
