"""What the program says, one TOML file a language; read by `iiifserver.language`."""
