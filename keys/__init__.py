"""Who we are and whom we trust: keystore, sealing, prekeys, directory. The only folder that imports cryptography."""
