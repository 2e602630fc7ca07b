// the loops would be here
