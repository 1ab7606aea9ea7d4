"""What every page, figure and table shares."""
