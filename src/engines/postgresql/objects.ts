/**
 * What makes up the schema, as (kind, name, definition) with names instead of OIDs, so that a dump's restore compares
 * too. Definitions come from the server's own deparsers (manual 9.27, pg_get_*def) with search_path = pg_catalog.
 */
const USER_SCHEMA = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(catalog|toast|temp)'";
const ACL = (column: string, ifNone = "'{}'::aclitem[]"): string =>
  `coalesce((SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(${column}, ${ifNone})) a), 'none')`;
/** No list at all means the same as the list of its kind's defaults (manual 5.8): which of the two it was, a dump does not carry. */
const OWNED_ACL = (column: string, kind: string, owner: string): string => ACL(column, `acldefault(${kind}, ${owner})`);
/** Objects of an extension are the extension's: its name and version stand for them. */
const OWN = (catalog: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`;

export const CLUSTER_OBJECTS: readonly string[] = [
  `SELECT 'role' AS kind, r.rolname AS name, concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolinherit THEN 'INHERIT' END,
     CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolcanlogin THEN 'LOGIN' END,
     CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, 'CONNECTION LIMIT ' || rolconnlimit,
     'VALID UNTIL ' || rolvaliduntil) AS definition FROM pg_roles r ORDER BY 2`,
  `SELECT 'membership' AS kind, g.rolname || ' of ' || m.rolname AS name, CASE WHEN a.admin_option THEN 'with admin option' ELSE '' END AS definition
     FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member ORDER BY 2, 3`,
  `SELECT 'setting' AS kind, coalesce(d.datname, 'all') || '/' || coalesce(r.rolname, 'all') AS name, array_to_string(s.setconfig, '; ') AS definition
     FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole ORDER BY 2`,
  `SELECT 'database' AS kind, datname AS name, concat_ws(' ', 'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding), 'collate', datcollate,
     'ctype', datctype, 'template', datistemplate, 'connections', datconnlimit, 'acl', ${OWNED_ACL('datacl', "'d'", 'datdba')}) AS definition FROM pg_database ORDER BY 2`,
  `SELECT 'tablespace' AS kind, spcname AS name, concat_ws(' ', 'owner', pg_get_userbyid(spcowner), 'acl', ${OWNED_ACL('spcacl', "'t'", 'spcowner')}, array_to_string(spcoptions, ',')) AS definition
     FROM pg_tablespace ORDER BY 2`,
  `SELECT 'shared comment' AS kind, pg_describe_object(classoid, objoid, 0) AS name, description AS definition FROM pg_shdescription ORDER BY 2`,
  `SELECT 'prepared transaction' AS kind, gid AS name, database AS definition FROM pg_prepared_xacts ORDER BY 2`,
];

/** Whether passwords are the same shows in a digest of what the server stores; only a superuser may read that. */
export const PASSWORDS =
  "SELECT 'password' AS kind, rolname AS name, md5(rolpassword) AS definition FROM pg_authid WHERE rolpassword IS NOT NULL ORDER BY 2";

export const DATABASE_OBJECTS: readonly string[] = [
  `SELECT 'schema' AS kind, nspname AS name, concat_ws(' ', 'owner', pg_get_userbyid(nspowner), 'acl', ${OWNED_ACL('nspacl', "'n'", 'nspowner')}) AS definition
     FROM pg_namespace n WHERE ${USER_SCHEMA} ORDER BY 2`,
  `SELECT 'extension' AS kind, extname AS name, extversion AS definition FROM pg_extension ORDER BY 2`,
  `SELECT 'relation' AS kind, n.nspname || '.' || c.relname AS name,
     concat_ws(' ', 'kind', c.relkind, c.relpersistence, 'owner', pg_get_userbyid(c.relowner), 'rls', c.relrowsecurity, c.relforcerowsecurity,
       'options', array_to_string(c.reloptions, ','), 'replica identity', c.relreplident, 'partition by', pg_get_partkeydef(c.oid),
       'bound', pg_get_expr(c.relpartbound, c.oid), 'parents', (SELECT string_agg(i.inhparent::regclass::text, ',' ORDER BY i.inhseqno) FROM pg_inherits i WHERE i.inhrelid = c.oid),
       'tablespace', (SELECT spcname FROM pg_tablespace t WHERE t.oid = c.reltablespace), 'acl', ${OWNED_ACL('c.relacl', `CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END`, 'c.relowner')}) AS definition
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${USER_SCHEMA} AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I') AND c.relpersistence <> 't' ORDER BY 2`,
  `SELECT 'column' AS kind, n.nspname || '.' || c.relname || '.' || a.attname AS name,
     concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END, 'identity', a.attidentity, 'generated', a.attgenerated,
       'default', pg_get_expr(f.adbin, f.adrelid), 'collation', (SELECT collname FROM pg_collation WHERE oid = a.attcollation), 'storage', a.attstorage, 'acl', ${ACL('a.attacl')}) AS definition
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
     WHERE ${USER_SCHEMA} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 2`,
  `SELECT 'index' AS kind, n.nspname || '.' || c.relname AS name, concat_ws(' ', pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid, 'primary', i.indisprimary) AS definition
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${USER_SCHEMA} AND c.relpersistence <> 't' ORDER BY 2`,
  // A foreign key of a partitioned table has copies that the server names by itself: the key stands for them.
  `SELECT 'constraint' AS kind, n.nspname || '.' || coalesce(c.conrelid::regclass::text, c.contypid::regtype::text) || '.' || c.conname AS name,
     concat_ws(' ', pg_get_constraintdef(c.oid), 'validated', c.convalidated) AS definition
     FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE ${USER_SCHEMA} AND NOT (c.contype = 'f' AND c.conparentid <> 0) ORDER BY 2, 3`,
  `SELECT 'view' AS kind, n.nspname || '.' || c.relname AS name, pg_get_viewdef(c.oid) AS definition
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${USER_SCHEMA} AND c.relkind IN ('v', 'm') AND ${OWN('pg_class', 'c.oid')} ORDER BY 2`,
  `SELECT 'function' AS kind, p.oid::regprocedure::text AS name,
     concat_ws(' ', CASE WHEN p.prokind = 'a' THEN 'aggregate returns ' || pg_get_function_result(p.oid) ELSE pg_get_functiondef(p.oid) END, 'owner', pg_get_userbyid(p.proowner), 'acl', ${OWNED_ACL('p.proacl', "'f'", 'p.proowner')}) AS definition
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${USER_SCHEMA} AND ${OWN('pg_proc', 'p.oid')} ORDER BY 2`,
  `SELECT 'trigger' AS kind, t.tgrelid::regclass::text || '.' || t.tgname AS name, pg_get_triggerdef(t.oid) || ' enabled ' || t.tgenabled::text AS definition
     FROM pg_trigger t WHERE NOT t.tgisinternal ORDER BY 2`,
  `SELECT 'rule' AS kind, r.ev_class::regclass::text || '.' || r.rulename AS name, pg_get_ruledef(r.oid) AS definition
     FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN' AND ${USER_SCHEMA} ORDER BY 2`,
  `SELECT 'policy' AS kind, p.polrelid::regclass::text || '.' || p.polname AS name,
     concat_ws(' ', p.polcmd, p.polpermissive, (SELECT string_agg(pg_get_userbyid(o), ',' ORDER BY 1) FROM unnest(p.polroles) o WHERE o <> 0), pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) AS definition
     FROM pg_policy p ORDER BY 2`,
  `SELECT 'type' AS kind, t.oid::regtype::text AS name, concat_ws(' ', t.typtype, 'owner', pg_get_userbyid(t.typowner), format_type(t.typbasetype, t.typtypmod), 'default', t.typdefault,
     (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid), 'acl', ${OWNED_ACL('t.typacl', "'T'", 't.typowner')}) AS definition
     FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE ${USER_SCHEMA} AND t.typtype IN ('e', 'd', 'r') AND ${OWN('pg_type', 't.oid')} ORDER BY 2`,
  `SELECT 'sequence definition' AS kind, s.seqrelid::regclass::text AS name, concat_ws(' ', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'by', s.seqincrement, 'min', s.seqmin, 'max', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle) AS definition
     FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE c.relpersistence <> 't' ORDER BY 2`,
  `SELECT 'event trigger' AS kind, evtname AS name, concat_ws(' ', evtevent, evtfoid::regproc, evtenabled, array_to_string(evttags, ',')) AS definition FROM pg_event_trigger ORDER BY 2`,
  `SELECT 'publication' AS kind, pubname AS name, concat_ws(' ', puballtables, pubinsert, pubupdate, pubdelete, pubtruncate,
     (SELECT string_agg(r.prrelid::regclass::text, ',' ORDER BY r.prrelid::regclass::text) FROM pg_publication_rel r WHERE r.prpubid = p.oid)) AS definition FROM pg_publication p ORDER BY 2`,
  `SELECT 'statistics' AS kind, n.nspname || '.' || s.stxname AS name, pg_get_statisticsobjdef(s.oid) AS definition FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace ORDER BY 2`,
  `SELECT 'foreign server' AS kind, srvname AS name, concat_ws(' ', 'wrapper', (SELECT fdwname FROM pg_foreign_data_wrapper w WHERE w.oid = s.srvfdw), 'owner', pg_get_userbyid(srvowner), 'acl', ${OWNED_ACL('srvacl', "'S'", 'srvowner')}) AS definition FROM pg_foreign_server s ORDER BY 2`,
  `SELECT 'default privileges' AS kind, concat_ws('/', pg_get_userbyid(defaclrole), coalesce((SELECT nspname FROM pg_namespace n WHERE n.oid = defaclnamespace), 'all'), defaclobjtype) AS name, ${ACL('defaclacl')} AS definition FROM pg_default_acl ORDER BY 2`,
  `SELECT 'comment' AS kind, pg_describe_object(classoid, objoid, objsubid) AS name, description AS definition FROM pg_description
     WHERE objoid >= 16384 ORDER BY 2`,
];
