-- The licence of a dataset, as its convention declares it: an identifier of SPDX or an address. Null where it declares none.
alter table conventions add column license text check (length(license) between 1 and 500);
