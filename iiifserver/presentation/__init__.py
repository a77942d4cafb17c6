"""The Presentation API: what an archive shows, as Manifests and Collections."""
