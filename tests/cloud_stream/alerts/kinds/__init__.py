"""What each kind of rule promises."""
