"""DynamicResources: devices that pods claim, of which drivers say where they are."""
