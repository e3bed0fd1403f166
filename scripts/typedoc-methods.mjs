// TypeDoc plugin: TypeDoc sees the methods that src/functional/methods.ts adds to Tensor as properties
// without a comment. They get the comments of their functions.
import { Converter, ReflectionKind } from 'typedoc';

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const comments = new Map();
    for (const reflection of project.getReflectionsByKind(ReflectionKind.Function)) {
      const comment = reflection.signatures?.find((signature) => signature.comment)?.comment;
      if (comment) comments.set(reflection.name, comment);
    }
    for (const property of project.getReflectionsByKind(ReflectionKind.Property)) {
      const tensor = ['Tensor', 'Parameter'].includes(property.parent?.name ?? '');
      if (tensor && !property.comment) property.comment = comments.get(property.name)?.clone();
    }
  });
}
