-- Each release that is made, and each recall or impact by digest, looks for releases of a digest: without an index, through all
-- releases of the hook, or of the archive.
create index on releases (digest, hook);
