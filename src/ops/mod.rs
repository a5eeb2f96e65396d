//! What burn lacks or does slowly.
