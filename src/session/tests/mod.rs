mod derive;
mod open;
mod replay;
mod usage;
