-- Agents whose households wanted to be forgotten: the id stays, so that nobody gets it again, with the signed wish as the reason.
ALTER TABLE agents ADD COLUMN forgotten_us INTEGER;
ALTER TABLE agents ADD COLUMN forget_wish TEXT;
