/** Secrets. */

import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { Secret } from '../resources.gen.ts';
import { JsonError, parseJson } from '../schema/body/json.ts';
import { setKey } from '../schema/decode.ts';
import { semanticEqual } from '../validation/equality.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
  tooLong,
} from '../validation/field-error.ts';
import { immutable, invalidFor } from '../validation/fields.ts';
import { configKeyProblems } from '../validation/names.ts';
import { base64Bytes, dataSizeMaxBytes, immutableMessage } from './config-map.ts';

/** Annotations that a token Secret must carry. */
const serviceAccountNameAnnotation = 'kubernetes.io/service-account.name';

export const secretKind = defineKind(Secret, {
  columns: [
    nameColumn,
    column('Type', (secret) => secret.type ?? ''),
    column('Data', (secret) => Object.keys(secret.data ?? {}).length),
    ageColumn,
  ],
  defaults(secret) {
    secret.type ||= 'Opaque';
    if (!secret.stringData) return;
    // Written as text, kept as bytes; never read back as text.
    const data = { ...secret.data };
    for (const [key, text] of Object.entries(secret.stringData))
      setKey(data, key, Buffer.from(text).toString('base64'));
    secret.data = data;
    delete secret.stringData;
  },
  *validate(secret) {
    let sizeBytes = 0;
    for (const key in secret.data) {
      yield* invalidFor(`data[${key}]`, key, configKeyProblems(key));
      sizeBytes += base64Bytes(secret.data[key]!);
    }
    if (sizeBytes > dataSizeMaxBytes) yield tooLong('data', dataSizeMaxBytes);
    yield* validateType(secret);
  },
  updateRulesFirst: true,
  warnings: tlsWarnings,
  *validateUpdate(secret, old) {
    yield* immutable(secret.type, old.type, 'type');
    if (!old.immutable) return;
    if (!secret.immutable) yield forbiddenField('immutable', immutableMessage);
    if (!semanticEqual(secret.data, old.data)) yield forbiddenField('data', immutableMessage);
  },
  selectableFields: (secret) => ({ type: secret.type ?? '' }),
});

/** The data of a TLS secret is not validated, but a pair that cannot work earns a warning. */
function* tlsWarnings({ type, data }: Secret): Iterable<string> {
  if (type !== 'kubernetes.io/tls') return;
  const [certificate, key] = ['tls.crt', 'tls.key'].map((name) =>
    Buffer.from(data?.[name] ?? '', 'base64').toString('latin1'),
  );
  if (!certificate!.includes('-----BEGIN')) yield 'tls: failed to find any PEM data in certificate input';
  else if (!key!.includes('-----BEGIN')) yield 'tls: failed to find any PEM data in key input';
}

function* validateType(secret: Secret): FieldErrors {
  const data = secret.data ?? {};
  switch (secret.type) {
    case 'kubernetes.io/service-account-token':
      if (!secret.metadata.annotations?.[serviceAccountNameAnnotation])
        yield required(`metadata.annotations[${serviceAccountNameAnnotation}]`);
      return;
    case 'kubernetes.io/dockercfg':
      yield* validateJson(data, '.dockercfg');
      return;
    case 'kubernetes.io/dockerconfigjson':
      yield* validateJson(data, '.dockerconfigjson');
      return;
    case 'kubernetes.io/basic-auth':
      if (data.username === undefined && data.password === undefined) {
        yield required('data[username]');
        yield required('data[password]');
      }
      return;
    case 'kubernetes.io/ssh-auth':
      if (!data['ssh-privatekey']) yield required('data[ssh-privatekey]');
      return;
    case 'kubernetes.io/tls':
      for (const key of ['tls.crt', 'tls.key']) if (data[key] === undefined) yield required(`data[${key}]`);
      return;
  }
}

function* validateJson(data: Record<string, string>, key: string): FieldErrors {
  const encoded = data[key];
  if (encoded === undefined) {
    yield required(`data[${key}]`);
    return;
  }
  try {
    parseJson(Buffer.from(encoded, 'base64').toString());
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    yield invalidValue(`data[${key}]`, '<secret contents redacted>', error.message);
  }
}
