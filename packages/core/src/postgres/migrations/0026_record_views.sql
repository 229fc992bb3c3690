-- The views of records, once more. A list, or any JSON value, that came in as null is null, as in all other readings, and not
-- the JSON null, which SQL takes for a value. `_recalled` holds the notices on a record, null where there are none.
create or replace function create_record_view(of_schema text, of_version text) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  declared record;
  name text := of_schema || '@' || of_version;
  columns text;
begin
  select s.fields, s.open_text into strict declared
    from public.schemas s where s.id = of_schema and s.version = of_version;
  -- A name of PostgreSQL has 63 bytes.
  if octet_length(name) > 63 then
    name := left(name, 46) || '$' || left(md5(name), 16);
  end if;
  if exists (select from jsonb_array_elements(declared.fields) f
             where f ->> 'name' ~ '^[a-z][a-z0-9_]{0,62}$' is not true) then
    raise exception 'schema %: a field has a name that is not allowed', of_schema using errcode = '42602';
  end if;
  select coalesce(string_agg(format(case
      when f ->> 'cardinality' <> 'exactly_one' or (f ->> 'type' = 'text' and declared.open_text)
        then ', (case when p.metadata ->> %1$L is not null then p.metadata -> %1$L end) as %1$I'
      when f ->> 'type' = 'number' then ', (p.metadata ->> %1$L)::numeric as %1$I'
      when f ->> 'type' = 'boolean' then ', (p.metadata ->> %1$L)::boolean as %1$I'
      -- A date or a time as it was written. Without an offset it is UTC, whatever the session's zone is.
      when f ->> 'type' = 'date' then ', (case when length(p.metadata ->> %1$L) = 10 then (p.metadata ->> %1$L) || ''T00:00:00Z'' '
        'when p.metadata ->> %1$L ~ ''([Zz]|[+-]\d\d:\d\d)$'' then p.metadata ->> %1$L '
        'else (p.metadata ->> %1$L) || ''Z'' end)::timestamptz as %1$I'
      else ', (p.metadata ->> %1$L) as %1$I' end, f ->> 'name'), '' order by position), '')
    into columns
    from jsonb_array_elements(declared.fields) with ordinality as list (f, position);
  execute format('create or replace view records.%I with (security_barrier) as '
    'select p.srn, p.version, p.convention as convention_id, p.source_id, p.published_at as created_at%s, '
    'case when exists (select from public.recalls) then ('
    'select jsonb_agg(jsonb_build_object(''id'', c.id, ''reason'', c.reason) order by c.id) '
    'from public.recalled_records c where c.batch_record = p.batch_record) end as _recalled '
    'from public.published p where p.schema_id = %L and p.schema_version = %L '
    'and not exists (select from public.records n where n.record_id = p.record_id and n.version > p.version)',
    name, columns, of_schema, of_version);
end $$;

select create_record_view(id, version) from schemas;
