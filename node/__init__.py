"""The process: settings, ports, couriers, local API, command line."""
